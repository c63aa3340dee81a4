/** The button below a list that has more pages. */
import { Button } from "@mantine/core";
import { nextPage } from "../lib/pages";

type Pages = Parameters<typeof nextPage>[0] & { isFetchingNextPage: boolean };

export function More({ of, children = "More" }: { of: Pages; children?: string }) {
  if (!of.hasNextPage) return null;
  return (
    <Button variant="default" onClick={() => void nextPage(of)} loading={of.isFetchingNextPage}>
      {children}
    </Button>
  );
}
