import re

import numpy as np
import polars as pl
import pytest
from scipy.spatial.distance import pdist

from clipkstar.report.projection import FEWEST_IMAGES, MOST_IMAGES, Projection, Projections, _laid_out, project, sample
from clipkstar.report.projection_chart import KSTAR_BANDS, MARGIN, MOST_COLORED, SIDE, colored_classes, draw, legend


def clouds(n_classes=3, per_class=20, dim=8, *, apart=10.0):
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(n_classes), per_class)
    return rng.normal(size=(len(labels), dim)) + apart * rng.normal(size=(n_classes, dim))[labels], labels


def laid_out(points, seed=0):
    found = project(points, np.arange(len(points)), seed=seed)
    assert found is not None
    return {layout.name: layout for layout in found.layouts}


def test_four_ways_lay_the_images_out_in_the_plane():
    points, _ = clouds()
    layouts = laid_out(points)
    assert list(layouts) == ["PCA", "t-SNE", "MDS", "spectral"]
    assert all(layout.coordinates.shape == (60, 2) for layout in layouts.values())
    assert all(np.isfinite(layout.coordinates).all() for layout in layouts.values())
    assert [layout.notices for layout in layouts.values()] == [()] * 4


@pytest.mark.parametrize("name", ["PCA", "t-SNE", "MDS", "spectral"])
def test_clouds_that_lie_apart_are_apart_in_every_way(name):
    points, labels = clouds(apart=30.0)
    plane = laid_out(points)[name].coordinates
    distances = np.linalg.norm(plane[:, None] - plane[None], axis=-1) + np.diag(np.full(len(plane), np.inf))
    assert (labels[distances.argmin(axis=1)] == labels).all()


def test_pca_has_the_coordinates_of_the_singular_value_decomposition():
    points, _ = clouds()
    centered = points - points.mean(axis=0)
    u, s, _ = np.linalg.svd(centered / np.abs(centered).max(), full_matrices=False)
    assert np.abs(laid_out(points)["PCA"].coordinates) == pytest.approx(np.abs(u[:, :2] * s[:2]), abs=1e-12)


def test_mds_keeps_distances_better_than_pca_and_wholly_where_the_plane_suffices():
    points, _ = clouds(apart=1.0)
    layouts = laid_out(points)
    scaled = points - points.mean(axis=0)
    true = pdist(scaled / np.abs(scaled).max())
    stress = {name: ((pdist(layouts[name].coordinates) - true) ** 2).sum() for name in ("MDS", "PCA")}
    assert stress["MDS"] < stress["PCA"]
    flat = laid_out(points[:, :2])["MDS"].coordinates
    scaled = points[:, :2] - points[:, :2].mean(axis=0)
    assert pdist(flat) == pytest.approx(pdist(scaled / np.abs(scaled).max()), rel=1e-6)


def test_the_same_seed_gives_the_same_coordinates_bit_by_bit():
    points, _ = clouds(apart=1.0)
    for one, other in zip(laid_out(points).values(), laid_out(points).values(), strict=True):
        assert np.array_equal(one.coordinates, other.coordinates), one.name


def test_scale_and_place_of_the_embeddings_change_nothing():
    points, _ = clouds()
    for name in ("PCA", "MDS"):
        moved = laid_out(points * 2.0**40 + 2.0**40)[name].coordinates
        assert moved == pytest.approx(laid_out(points)[name].coordinates, abs=1e-3), name


@pytest.mark.parametrize("points", [np.ones((9, 4)), np.zeros((9, 1)), np.eye(4)[: FEWEST_IMAGES - 1]])
def test_equal_embeddings_and_too_few_are_not_laid_out(points):
    assert project(points, np.arange(len(points))) is None


@pytest.mark.parametrize(
    "points",
    [
        np.repeat(np.eye(2), 6, axis=0),
        np.arange(12.0)[:, None],
        np.vstack([np.zeros((11, 3)), np.ones((1, 3))]),
        np.eye(FEWEST_IMAGES),
    ],
    ids=["two places", "one dimension", "one apart", "fewest"],
)
def test_poor_embeddings_are_laid_out_without_a_word_or_a_number_that_is_none(points):
    for layout in laid_out(points).values():
        assert np.isfinite(layout.coordinates).all(), layout.name
        assert layout.notices == (), layout.name


def test_what_an_algorithm_warns_of_is_kept_in_its_words():
    def warns(points, seed):
        import warnings

        warnings.warn("it did\n  not converge", UserWarning, stacklevel=1)
        warnings.warn("it did\n  not converge", UserWarning, stacklevel=1)
        return points[:, :2]

    assert _laid_out("odd", warns, np.eye(5), 0).notices == ("odd: it did not converge",)


def test_a_small_set_is_drawn_whole():
    labels = np.arange(MOST_IMAGES) % 3
    assert np.array_equal(sample(labels, [0]), np.arange(MOST_IMAGES))


def test_a_sample_keeps_the_share_of_every_class():
    labels = np.repeat([0, 1, 2], [1000, 2000, 1000])
    counts = np.bincount(labels[sample(labels, [0, 1, 2], most=100)])
    assert counts.tolist() == [25, 50, 25]


def test_half_of_a_sample_is_of_coloured_classes_or_all_that_they_have():
    labels = np.arange(10_000) % 1000
    chosen = sample(labels, [3, 7], most=100)
    assert (np.diff(chosen) > 0).all()
    assert len(chosen) == 100
    assert np.isin(labels[chosen], [3, 7]).sum() == 20  # they have ten each
    many = labels[sample(labels, range(100), most=100)]
    assert (many < 100).sum() == 50
    assert (labels[sample(labels, [], most=100)] >= 0).sum() == 100


def test_a_sample_of_few_others_is_filled_up_with_coloured_ones():
    labels = np.repeat([0, 1], [990, 10])
    assert np.bincount(labels[sample(labels, [0], most=100)]).tolist() == [90, 10]


def tables(n_classes=3, per_class=4):
    """k* of every class: 1, 2 … per_class; class 0 has the highest γ."""
    classes = pl.DataFrame(
        {
            "class": range(n_classes),
            "name": [f"class {label}" for label in range(n_classes)],
            "n_images": [per_class] * n_classes,
            "gamma": [float(-label) for label in range(n_classes)],
        }
    )
    labels = np.repeat(np.arange(n_classes), per_class)
    images = pl.DataFrame({"label": labels, "kstar": np.tile(np.arange(1, per_class + 1), n_classes)})
    return images, classes


def drawn(coordinates, images, classes, name="PCA"):
    layout = Projection(name=name, coordinates=np.asarray(coordinates, dtype=float), notices=("it warned",))
    projections = Projections(positions=np.arange(len(coordinates)), layouts=(layout,))
    return draw(projections, images, classes)[0]


def dots(group):
    return [(int(x), int(y)) for x, y in re.findall(r"M(\d+) (\d+)h0", group.path)]


def test_every_image_is_a_dot_of_its_class_and_of_its_kstar():
    images, classes = tables()
    plane = np.column_stack([np.arange(12), np.arange(12)])
    picture = drawn(plane, images, classes)
    places = [MARGIN + round(place * (SIDE - 2 * MARGIN) / 11) for place in range(12)]
    by_class = {group.style: dots(group) for group in picture.by_class}
    assert by_class == {f"c{n}": [(place, place) for place in places[4 * n : 4 * n + 4]] for n in range(3)}
    # k*/n is 1/4, 2/4, 3/4, 4/4 of five bands: the bands 1, 2, 3 and 4, and the smallest is drawn last.
    assert [group.style for group in picture.by_kstar] == ["k4", "k3", "k2", "k1"]
    assert dots(picture.by_kstar[-1]) == [(places[n], places[n]) for n in (0, 4, 8)]
    assert picture.notices == ("it warned",)


def test_a_number_stands_at_the_middle_of_each_class():
    images, classes = tables(n_classes=2, per_class=3)
    picture = drawn([(0, 0), (1, 0), (0, 1), (10, 10), (9, 10), (10, 9)], images, classes)
    assert [(group.number, group.number_at) for group in picture.by_class] == [("1", (10, 10)), ("2", (290, 290))]


def test_of_many_classes_those_with_the_highest_gamma_are_coloured_and_the_others_grey():
    images, classes = tables(n_classes=MOST_COLORED + 5)
    classes = classes.with_columns(gamma=-pl.col("gamma"))
    assert colored_classes(classes) == list(range(5, MOST_COLORED + 5))
    picture = drawn(np.random.default_rng(0).normal(size=(images.height, 2)), images, classes)
    assert [group.style for group in picture.by_class] == ["other", *(f"c{n}" for n in range(MOST_COLORED))]
    explained = legend(classes)
    assert explained.n_others == 5
    assert explained.classes[0] == ("c0", "1", "class 5")


def test_classes_without_an_image_have_no_colour_and_are_not_counted():
    _, classes = tables(n_classes=3)
    classes = classes.with_columns(n_images=pl.Series([4, 0, 4]))
    assert colored_classes(classes) == [0, 2]
    assert legend(classes).n_others == 0


def test_the_legend_names_the_bands_of_kstar():
    bands = legend(tables()[1]).bands
    assert bands[0] == ("k0", "0.0 to 0.2")
    assert bands[-1] == (f"k{KSTAR_BANDS - 1}", "0.8 to 1.0")


def test_of_the_spectral_map_the_order_is_drawn():
    images, classes = tables(n_classes=1, per_class=4)
    picture = drawn([(0, 0), (1e-9, 0), (1, 0), (1e9, 0)], images, classes, name="spectral")
    assert dots(picture.by_class[0]) == [(10, 150), (103, 150), (197, 150), (290, 150)]
