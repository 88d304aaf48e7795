# Copies the Python package: package.sh FOLDER VENV MODELS, for a server that finds FOLDER on its Python path.
. "$ROOT/extension/setup/places.sh"
folder=$1 venv=$2 models=$3

rm -rf "$folder/pg_llm"
mkdir -p "$folder"
cp -R "$ROOT/pymodule/pg_llm" "$folder/"
find "$folder" -name __pycache__ -prune -exec rm -rf {} +
# The server's user may not write here, so the byte code is made now.
"$PYTHON" -m compileall -q "$folder/pg_llm"
# Names the host's interpreter; only the owner of this folder can change it.
"$venv/bin/python" -c '
import json, sys, sysconfig
print(json.dumps({"python": sys.argv[1], "site_packages": sysconfig.get_path("purelib"), "cache": sys.argv[2]}, indent=4))
' "$venv/bin/python" "$models" >"$folder/pg_llm/installation.json"
