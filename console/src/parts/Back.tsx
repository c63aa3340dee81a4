/** The way back to a list, as it was narrowed when it was last open. */
import { IconArrowLeft } from "@tabler/icons-react";
import { AnchorLink } from "./Link";

type List = "/inbox" | "/tasks" | "/automations";

const narrowed: Partial<Record<List, object>> = {}; // until a reload

/** Keep how a list is narrowed. */
export function keepList(list: List, search: object) {
  narrowed[list] = search;
}

export function Back({ to, search, children }: { to: List; search?: object; children: string }) {
  return (
    <AnchorLink to={to} search={search ?? narrowed[to] ?? {}} size="sm" className="back">
      <IconArrowLeft size={14} aria-hidden />
      {children}
    </AnchorLink>
  );
}
