#!/bin/sh
# Data, tokenizer, autoencoder, model, scores and the diffusers folder, on two CPU cores in about three hours. Run it again after an
# interruption: finished parts are kept and training goes on from its last checkpoint. `rm -r work out` starts afresh.
# On a GPU: DEVICE=cuda ./make.sh (about half an hour on one H100).
set -eu
cd "$(dirname "$0")"
PYTHON=${PYTHON:-python3}
DEVICE=${DEVICE:-cpu}
mkdir -p out
[ -d node_modules ] || npm ci --no-audit --no-fund
[ -f work/data.npz ] || "$PYTHON" prepare.py
if [ "$DEVICE" = cpu ]; then
    VAE="--minutes 40 --batch 8" MODEL="--minutes 115 --batch 64 --compile" PART=3
else
    VAE="--minutes 5 --batch 64 --compile" PART=1
    MODEL="--minutes 20 --batch 512 --fresh 0.1 --pool 262144 --fill 40000 --workers 10 --compile"
fi
[ -f out/vae.done ] || "$PYTHON" train_vae.py --device "$DEVICE" $VAE
touch out/vae.done
[ -f out/model.done ] || "$PYTHON" train_model.py --device "$DEVICE" $MODEL
touch out/model.done
"$PYTHON" export.py
"$PYTHON" check.py ../../zimage-examples/demo-model
"$PYTHON" score.py --device "$DEVICE" --part "$PART"
