// Stands in for FlashAttention 3 on the processor: an operator of its name, some of its arguments and its layout, registered through
// LibTorch's stable interface when the library is loaded.
#include <cstdint>

using Value = uint64_t; // a handle that the receiver owns, a number's bits, or for what is optional a pointer to either
struct Library;

extern "C" {
int32_t aoti_torch_library_init_def(const char* ns, const char* file, uint32_t line, Library** library);
int32_t aoti_torch_library_init_impl(const char* ns, const char* key, const char* file, uint32_t line, Library** library);
int32_t aoti_torch_library_def(Library* library, const char* schema);
int32_t aoti_torch_library_impl(Library* library, const char* name, void (*kernel)(Value*, uint64_t, uint64_t));
int32_t aoti_torch_call_dispatcher(const char* name, const char* overload, Value* stack);
int32_t aoti_torch_new_tensor_handle(void* tensor, void** copy);
}

static Value swap_rows_and_heads(Value tensor) {
    Value stack[] = {tensor, 1, 2};
    aoti_torch_call_dispatcher("aten::transpose", "int", stack);
    return stack[0];
}

static void forward(Value* stack, uint64_t, uint64_t) {
    bool others_are_default = stack[0] == 0 && static_cast<int64_t>(stack[6]) == -1 && stack[8] == 0;
    Value all[] = {
        swap_rows_and_heads(stack[1]), swap_rows_and_heads(stack[2]), swap_rows_and_heads(stack[3]),
        0, 0, stack[5], others_are_default ? stack[4] : 0};
    aoti_torch_call_dispatcher("aten::scaled_dot_product_attention", "", all);
    stack[0] = swap_rows_and_heads(all[0]);
    void* second;
    aoti_torch_new_tensor_handle(reinterpret_cast<void*>(stack[0]), &second);
    stack[1] = reinterpret_cast<Value>(second);
}

static bool registered = [] {
    Library* library;
    aoti_torch_library_init_def("flash_attn_3", __FILE__, __LINE__, &library);
    aoti_torch_library_def(
        library,
        "fwd(Tensor? qv=None, *, Tensor q, Tensor k, Tensor v, float? softmax_scale=None, bool is_causal=False, "
        "int window_size_left=-1, float softcap=0.0, bool? pack_gqa=None) -> (Tensor, Tensor)");
    aoti_torch_library_init_impl("flash_attn_3", "CPU", __FILE__, __LINE__, &library);
    aoti_torch_library_impl(library, "fwd", forward);
    return true;
}();
