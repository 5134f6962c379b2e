/** Z-Image in Spring Boot: a pipeline that loads in the background, health, metrics, and the image models of Spring AI and LangChain4j. */
@NullMarked
package io.github.zimage.spring;

import org.jspecify.annotations.NullMarked;
