package io.github.zimage.prompt;

import java.text.MessageFormat;
import java.util.List;
import java.util.Locale;
import java.util.ResourceBundle;

/** The texts that users read, in English and Chinese. */
final class Messages {
    private static final ResourceBundle ENGLISH = bundle(Locale.ROOT);
    private static final ResourceBundle CHINESE = bundle(Locale.CHINESE);

    private Messages() {}

    static String format(Locale locale, String key, List<String> arguments) {
        ResourceBundle bundle = locale.getLanguage().equals("zh") ? CHINESE : ENGLISH;
        return new MessageFormat(bundle.getString(key), Locale.ROOT).format(arguments.toArray());
    }

    private static ResourceBundle bundle(Locale locale) {
        return ResourceBundle.getBundle("io.github.zimage.prompt.messages", locale);
    }
}
