# Python packages for tests; to be sourced.

# environment FOLDER MODULES PACKAGE…: a virtual environment in FOLDER where MODULES (as after `import`) can be imported, installed
# from PyPI where they cannot. Where PyPI cannot be reached it says so and ends the script with 0.
environment() {
    local folder=$1 modules=$2
    shift 2
    if "$folder/bin/python" -c "import $modules" 2> /dev/null; then return; fi
    python3 -m venv "$folder"
    if ! "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --timeout 20 --retries 1 \
        "$@" > "$folder/pip.log" 2>&1; then
        echo "skipped: PyPI cannot be reached ($(tail -n 1 "$folder/pip.log"))"
        exit 0
    fi
}
