/** The button below a list that has more pages. */
import { Button } from "@mantine/core";

interface Pages {
  hasNextPage: boolean;
  isFetchingNextPage: boolean;
  fetchNextPage: () => Promise<unknown>;
}

export function More({ of, children = "More" }: { of: Pages; children?: string }) {
  if (!of.hasNextPage) return null;
  return (
    <Button variant="default" onClick={() => void of.fetchNextPage()} loading={of.isFetchingNextPage}>
      {children}
    </Button>
  );
}
