/** What stands where something is still being loaded. */
import { Skeleton } from "@mantine/core";

export function Loading({ what, height = 480 }: { what: string; height?: number }) {
  return (
    <div role="status">
      <span className="unseen">{what} is being loaded</span>
      <Skeleton height={height} />
    </div>
  );
}
