package io.github.zimage.spring;

import io.github.zimage.Precision;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.springframework.boot.context.properties.ConfigurationProperties;

/** Properties below {@code zimage}. What has no property is set by a {@link ZImagePipelineCustomizer}. */
@ConfigurationProperties("zimage")
public class ZImageProperties {
    /** Folder or file of the model. Unless set, the demo model, if zimage-demo is on the class path. */
    private @Nullable Path model;

    /** Devices that generate, such as "cuda:0" or "cpu". Unless set, the first usable GPU, or the CPU. */
    private List<String> devices = new ArrayList<>();

    /** Precision of all components. */
    private Precision precision = Precision.BF16;

    /** Memory that the pipeline may take, such as "8g". Unless set, what is available. */
    private @Nullable String memory;

    /** Threads that compute on the CPU. Unless set, one for each core that the process may use. */
    private @Nullable Integer threads;

    /** Size of images that no request names, such as "768", "1024x768" or "16:9@1024". */
    private String size = "1024";

    /** Steps of images that no request names. */
    private int steps = 8;

    /** Folder of LoRA files that requests may name. */
    private @Nullable Path loraFolder;

    /** Profile that "zimage tune" wrote. */
    private @Nullable Path profile;

    /** Folder of converted weights, or "off". Unless set, the default of the library. */
    private @Nullable String cache;

    /** Whether the transformer is recorded as CUDA graphs. */
    private boolean compile;

    /** Whether images of the default size are warmed up while the model is loaded. */
    private boolean warmUp = true;

    /** Whether the model is loaded when the application starts, in the background, or with the first request. */
    private boolean preload = true;

    /** How long a closing application waits for the pipeline to end its step. */
    private Duration closeTimeout = Duration.ofSeconds(30);

    public @Nullable Path getModel() {
        return model;
    }

    public void setModel(@Nullable Path model) {
        this.model = model;
    }

    public List<String> getDevices() {
        return devices;
    }

    public void setDevices(List<String> devices) {
        this.devices = devices;
    }

    public Precision getPrecision() {
        return precision;
    }

    public void setPrecision(Precision precision) {
        this.precision = precision;
    }

    public @Nullable String getMemory() {
        return memory;
    }

    public void setMemory(@Nullable String memory) {
        this.memory = memory;
    }

    public @Nullable Integer getThreads() {
        return threads;
    }

    public void setThreads(@Nullable Integer threads) {
        this.threads = threads;
    }

    public String getSize() {
        return size;
    }

    public void setSize(String size) {
        this.size = size;
    }

    public int getSteps() {
        return steps;
    }

    public void setSteps(int steps) {
        this.steps = steps;
    }

    public @Nullable Path getLoraFolder() {
        return loraFolder;
    }

    public void setLoraFolder(@Nullable Path loraFolder) {
        this.loraFolder = loraFolder;
    }

    public @Nullable Path getProfile() {
        return profile;
    }

    public void setProfile(@Nullable Path profile) {
        this.profile = profile;
    }

    public @Nullable String getCache() {
        return cache;
    }

    public void setCache(@Nullable String cache) {
        this.cache = cache;
    }

    public boolean isCompile() {
        return compile;
    }

    public void setCompile(boolean compile) {
        this.compile = compile;
    }

    public boolean isWarmUp() {
        return warmUp;
    }

    public void setWarmUp(boolean warmUp) {
        this.warmUp = warmUp;
    }

    public boolean isPreload() {
        return preload;
    }

    public void setPreload(boolean preload) {
        this.preload = preload;
    }

    public Duration getCloseTimeout() {
        return closeTimeout;
    }

    public void setCloseTimeout(Duration closeTimeout) {
        this.closeTimeout = closeTimeout;
    }
}
