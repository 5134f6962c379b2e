#!/bin/sh
# Records CUDA graphs with LibTorch's build for cards on a machine that has none: cudart.c stands in for CUDA. Needs gcc, Maven, and the
# libraries of CUDA 13 and cuDNN 9 in LD_LIBRARY_PATH, which LibTorch is linked to; the module's test classes must be compiled.
set -e
cd "$(dirname "$0")/.."
out=$PWD/target/rehearsal
mkdir -p "$out"
gcc -shared -fPIC -O1 -Wl,-soname,libcuda.so.1 -o "$out/libcuda.so.1" rehearsal/cudart.c
libraries=${CLASSPATH:-$(mvn -B -q -f .. -pl zimage-cuda -am dependency:build-classpath -Dmdep.outputFile=/dev/stdout | tail -1)}
gpu=${ZIMAGE_GPU_JAR:-$HOME/.m2/repository/org/bytedeco/pytorch/2.10.0-1.5.13/pytorch-2.10.0-1.5.13-linux-x86_64-gpu.jar}
# The build for cards comes first, and the one for the CPU must not be there.
cpu=$(echo "$libraries" | tr ':' '\n' | grep -v 'pytorch-[0-9.-]*-linux-x86_64.jar' | tr '\n' ':')
for way in "" invalid; do
    REHEARSAL_INVALID=$way LD_PRELOAD="$out/libcuda.so.1" java \
        -cp "target/test-classes:target/classes:../zimage-core/target/classes:$gpu:$cpu" \
        io.github.zimage.cuda.CaptureRehearsal $way
done
