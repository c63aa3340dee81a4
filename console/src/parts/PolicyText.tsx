/** The text of a policy, opened in place. */
import { VisuallyHidden } from "@mantine/core";

export function PolicyText({ id, text }: { id: string; text: string | null | undefined }) {
  if (!text) return null;
  return (
    <details className="policy-text">
      <summary>
        Its text<VisuallyHidden>: {id}</VisuallyHidden>
      </summary>
      <pre tabIndex={0} role="region" aria-label={`Text of ${id}`}>
        {text}
      </pre>
    </details>
  );
}
