package io.github.zimage.examples;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

final class DoctorCommandTest {
    // The first thing that a bug report needs.
    @Test
    void doctor_describesTheMachine() {
        MainTest.Run run = MainTest.run("doctor");
        assertThat(run.err()).isEmpty();
        assertThat(run.code()).isZero();
        assertThat(run.out()).contains(System.getProperty("java.version"), "2.10.0");
    }
}
