/** A page that not everybody may use: whoever may not sees which policy refuses it, and nothing of what they could do nothing with. */
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { useSession } from "../api/session";
import { ProblemPage } from "./Broken";
import { Loading } from "./Loading";

/** `ask` is a request that the policy answers as it would answer the page's own; it is made only where the session does not say that one may. */
export function Gate({ title, may, ask, children }: { title: string; may: string; ask: () => Promise<unknown>; children: ReactNode }) {
  const allowed = useSession().may.includes(may);
  const asked = useQuery({ queryKey: ["gate", may], enabled: !allowed, queryFn: async () => (await ask(), true) });
  if (allowed || asked.isSuccess) return children;
  if (asked.isError) return <ProblemPage title={title} error={asked.error} retry={() => void asked.refetch()} />;
  return <Loading what={title} />;
}
