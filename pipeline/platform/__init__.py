"""What the stages stand on: Postgres, migrations, Dagster's storage, Parquet tables. Knows nothing about products."""
