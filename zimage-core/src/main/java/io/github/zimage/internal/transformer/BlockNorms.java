package io.github.zimage.internal.transformer;

import org.bytedeco.pytorch.Tensor;

/**
 * What a block's four norms multiply with in one step: the norm's own weight times the block's modulation, so that modulating costs
 * nothing in the block. All [dim] fp32.
 *
 * @param attentionNorm1 {@code attention_norm1 * (1 + scale_msa)}
 * @param attentionNorm2 {@code attention_norm2 * tanh(gate_msa)}
 * @param ffnNorm1 {@code ffn_norm1 * (1 + scale_mlp)}
 * @param ffnNorm2 {@code ffn_norm2 * tanh(gate_mlp)}
 */
public record BlockNorms(Tensor attentionNorm1, Tensor attentionNorm2, Tensor ffnNorm1, Tensor ffnNorm2) {}
