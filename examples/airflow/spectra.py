"""Six tasks, one after the other; each may be retried at any moment.

The lake, the server and the path of the token are Airflow variables. A stage without news shows as skipped, and the
stages after it still run.
"""

from datetime import datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

STAGES = ["source", "prepare", "clean", "transform", "refine", "analyse"]

with DAG(
    dag_id="spectra",
    schedule="0 5 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5), "execution_timeout": timedelta(hours=6)},
):
    before = None
    for stage in STAGES:
        task = BashOperator(
            task_id=stage,
            bash_command=f"exec spectra-{stage} --run-id '{{{{ run_id }}}}/{stage}/{{{{ ti.try_number }}}}'",
            env={
                "SPECTRA_LAKE": "{{ var.value.spectra_lake }}",
                "SPECTRA_API_URL": "{{ var.value.spectra_api_url }}",
                "SPECTRA_API_TOKEN_FILE": "{{ var.value.spectra_api_token_file }}",
                "SPECTRA_SKIP_EXIT_CODE": "99",
            },
            append_env=True,
            trigger_rule="none_failed",
        )
        if before is not None:
            before >> task
        before = task
