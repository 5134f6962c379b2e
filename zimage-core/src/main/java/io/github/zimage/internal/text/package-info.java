/** From a prompt to embeddings: the tokenizer, the chat template, and the Qwen3 encoder, named as in transformers' {@code modeling_qwen3.py}. */
package io.github.zimage.internal.text;
