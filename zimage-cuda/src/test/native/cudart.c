/* CUDA's runtime with two cards that compute nothing: their memory is the machine's, and streams and captures are only kept account of. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { NOT_PERMITTED = 900, INVALIDATED = 901, NOT_CAPTURING = 902 };

static void *capturer;
static int capturing, streams;
static __thread int current;

int cudaGetDeviceCount(int *count) { *count = 2; return 0; }
int cudaGetDevice(int *device) { *device = current; return 0; }
int cudaSetDevice(int device) { current = device; return 0; }
int cudaGetLastError(void) { return 0; }
int cudaPeekAtLastError(void) { return 0; }
int cudaDeviceCanAccessPeer(int *can, int from, int to) { *can = 0; return 0; }
int cudaDeviceGetAttribute(int *value, int attribute, int device) { *value = 1; return 0; }
int cudaGetDeviceProperties(void *properties, int device) {
    *(size_t *) ((char *) properties + 288) = (size_t) 1 << 34; /* totalGlobalMem, behind name, uuid, luid and its mask */
    return 0;
}
int cudaMemGetInfo(size_t *free, size_t *total) { *free = *total = (size_t) 1 << 34; return 0; }

int cudaDeviceSynchronize(void) { return capturing ? NOT_PERMITTED : 0; }
int cudaMalloc(void **memory, size_t bytes) {
    *memory = aligned_alloc(512, (bytes + 511) / 512 * 512);
    return *memory ? 0 : 2;
}
int cudaFree(void *memory) {
    if (capturing) {
        return NOT_PERMITTED;
    }
    free(memory);
    return 0;
}

int cudaDeviceGetStreamPriorityRange(int *least, int *greatest) { *least = 0; *greatest = -5; return 0; }
int cudaStreamCreateWithPriority(void **stream, unsigned flags, int priority) {
    *stream = (void *) (size_t) (0x1000 + 0x10 * ++streams);
    return 0;
}
int cudaStreamSynchronize(void *stream) { return 0; }
int cudaStreamQuery(void *stream) { return 0; }
int cudaStreamWaitEvent(void *stream, void *event, unsigned flags) { return 0; }
int cudaEventCreateWithFlags(void **event, unsigned flags) { *event = malloc(8); return 0; }
int cudaEventRecord(void *event, void *stream) { return 0; }
int cudaEventRecordWithFlags(void *event, void *stream, unsigned flags) { return 0; }
int cudaEventQuery(void *event) { return 0; }
int cudaEventSynchronize(void *event) { return 0; }
int cudaEventDestroy(void *event) { free(event); return 0; }

int cudaStreamIsCapturing(void *stream, int *status) { *status = capturing && stream == capturer; return 0; }
int cudaThreadExchangeStreamCaptureMode(int *mode) { return 0; }
int cudaStreamBeginCapture(void *stream, int mode) {
    if (!stream || capturing) {
        return NOT_PERMITTED;
    }
    capturing = 1;
    capturer = stream;
    return 0;
}
int cudaStreamEndCapture(void *stream, void **graph) {
    *graph = 0;
    if (!capturing || stream != capturer) {
        return NOT_CAPTURING;
    }
    capturing = 0;
    if (getenv("REHEARSAL_INVALID") && *getenv("REHEARSAL_INVALID")) {
        return INVALIDATED;
    }
    *graph = malloc(16);
    return 0;
}
int cudaGraphInstantiate(void **executable, void *graph, unsigned long long flags) {
    *executable = malloc(16);
    return 0;
}
int cudaGraphLaunch(void *executable, void *stream) { return capturing ? NOT_PERMITTED : 0; }
int cudaGraphDestroy(void *graph) { free(graph); return 0; }
int cudaGraphExecDestroy(void *executable) { free(executable); return 0; }

/* The driver's. */
int cuInit(unsigned flags) { return 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) { *value = 0; return 0; }
int cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active) { *flags = 0; *active = 1; return 0; }

/* Addresses that are given memory piece by piece. */
int cuMemGetAllocationGranularity(size_t *bytes, const void *properties, int which) { *bytes = 2 << 20; return 0; }
int cuMemAddressReserve(void **address, size_t bytes, size_t alignment, void *wanted, unsigned long long flags) {
    *address = mmap(wanted, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return *address == MAP_FAILED ? 2 : 0;
}
int cuMemAddressFree(void *address, size_t bytes) { return munmap(address, bytes); }
int cuMemCreate(unsigned long long *handle, size_t bytes, const void *properties, unsigned long long flags) { *handle = 1; return 0; }
int cuMemRelease(unsigned long long handle) { return 0; }
int cuMemMap(void *address, size_t bytes, size_t offset, unsigned long long handle, unsigned long long flags) { return 0; }
int cuMemUnmap(void *address, size_t bytes) { return mprotect(address, bytes, PROT_NONE); }
int cuMemSetAccess(void *address, size_t bytes, const void *access, size_t count) { return mprotect(address, bytes, PROT_READ | PROT_WRITE); }
static int not_supported(void) { return 801; }
int cudaGetDriverEntryPointByVersion(const char *symbol, void **function, unsigned version, unsigned long long flags, int *status) {
    *function = dlsym(RTLD_DEFAULT, symbol);
    if (!*function) {
        *function = (void *) not_supported;
    }
    *status = 0;
    return 0;
}

/* What libraries of kernels call when they are loaded. */
void **__cudaRegisterFatBinary(void *binary) { return calloc(1, sizeof(void *)); }
void __cudaRegisterFatBinaryEnd(void **handle) {}
void __cudaUnregisterFatBinary(void **handle) {}
void __cudaRegisterFunction(void) {}
void __cudaRegisterVar(void) {}

const char *cudaGetErrorString(int error) { return "an error of the stand-in"; }
