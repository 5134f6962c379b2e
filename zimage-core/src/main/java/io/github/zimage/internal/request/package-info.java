/** A request as text: JSON, and what pictures carry of it. {@link io.github.zimage.internal.request.RequestJson} names its fields. */
package io.github.zimage.internal.request;
