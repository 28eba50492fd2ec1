"""The data that ships with clipkstar: four small parquet files and the scripts that build them again."""
