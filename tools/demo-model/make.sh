#!/bin/sh
# Data, tokenizer, autoencoder, model, scores and the diffusers folder, on two CPU cores in about three hours. Run it again after an
# interruption: finished parts are kept and training goes on from its last checkpoint. `rm -r work out` starts afresh.
# On a GPU: DEVICE=cuda ./make.sh (about 20 minutes on one H100).
set -eu
cd "$(dirname "$0")"
PYTHON=${PYTHON:-python3}
DEVICE=${DEVICE:-cpu}
mkdir -p out
[ -d node_modules ] || npm ci --no-audit --no-fund
[ -f work/data.npz ] || "$PYTHON" prepare.py
if [ "$DEVICE" = cpu ]; then
    VAE="--minutes 45 --batch 8" MODEL="--minutes 115 --batch 64 --compile"
else
    VAE="--minutes 5 --batch 64 --compile" MODEL="--minutes 13 --batch 512 --fresh 0.25 --pool 65536 --workers 6 --compile"
fi
[ -f out/vae.done ] || "$PYTHON" train_vae.py --device "$DEVICE" $VAE
touch out/vae.done
[ -f out/model.done ] || "$PYTHON" train_model.py --device "$DEVICE" $MODEL
touch out/model.done
"$PYTHON" export.py
"$PYTHON" check.py ../../zimage-examples/demo-model
"$PYTHON" score.py --device "$DEVICE"
