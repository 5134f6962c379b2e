/** Z-Image behind LangChain4j's {@code ImageModel}. */
@NullMarked
package io.github.zimage.langchain4j;

import org.jspecify.annotations.NullMarked;
