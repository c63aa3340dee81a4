/** What may be wider than the screen: it scrolls by itself, with keys too. */
export function Wide({ label, children }: { label: string; children: React.ReactNode }) {
  return (
    <div className="wide" role="region" aria-label={label} tabIndex={0}>
      {children}
    </div>
  );
}
