import { Alert, Badge, createTheme } from "@mantine/core";

export const theme = createTheme({
  primaryColor: "indigo",
  primaryShade: 7, // the darkest that is seen on dark, and the lightest that white reads on
  autoContrast: true,
  defaultRadius: "md",
  fontFamily: "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif",
  fontFamilyMonospace: "ui-monospace, 'SF Mono', Menlo, Consolas, monospace",
  cursorType: "pointer",
  respectReducedMotion: true,
  components: {
    // Colour says it beside the icon and the word, and never at the price of reading them (WCAG 2.2, 1.4.3).
    Badge: Badge.extend({
      styles: (_, props) => (props.variant === "light" ? { label: { color: "var(--mantine-color-text)" } } : {}),
    }),
    Alert: Alert.extend({
      defaultProps: { variant: "outline" },
      styles: { title: { color: "var(--mantine-color-text)" } },
    }),
  },
});
