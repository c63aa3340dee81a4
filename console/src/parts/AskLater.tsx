/** `Ask`, loaded when there is something to ask: forms are a large part of what a list would load otherwise. */
import { lazy, Suspense } from "react";
import type { Question } from "./Ask";

const Ask = lazy(() => import("./Ask").then((module) => ({ default: module.Ask })));

export function AskLater({ question, onClose }: { question: Question | null; onClose: () => void }) {
  if (question === null) return null;
  return (
    <Suspense fallback={null}>
      <Ask question={question} onClose={onClose} />
    </Suspense>
  );
}
