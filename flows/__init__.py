"""The command line and one Prefect flow a stage: a thin shell over the steps."""
