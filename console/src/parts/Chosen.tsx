/** What is chosen of a list, and doing something with all of it: each by itself, and what is refused is told. */
import { Alert, Button, Group, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { type ReactNode, useCallback, useState } from "react";
import { ApiError } from "../api/client";

const TOLD = 3; // refusals

export function useChosen() {
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const choose = useCallback((id: string) => {
    setChosen((before) => {
      const next = new Set(before);
      if (!next.delete(id)) next.add(id);
      return next;
    });
  }, []);
  const clear = useCallback(() => setChosen(new Set()), []);
  return { chosen, choose, clear };
}

/** Do something with each, one after the other, and say what came of it; gives those with which it was done. */
export async function each<T>(things: T[], done: string, name: (thing: T) => string, act: (thing: T) => Promise<unknown>, note = ""): Promise<T[]> {
  const refused: string[] = [];
  const worked: T[] = [];
  for (const thing of things) {
    try {
      await act(thing);
      worked.push(thing);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      refused.push(`${name(thing)}: ${error.message}`);
    }
  }
  notifications.show({
    color: refused.length ? "orange" : "teal",
    title: `${done}: ${worked.length} of ${things.length}`,
    message: refused.slice(0, TOLD).join("\n") || note,
  });
  return worked;
}

export function ChosenBar({ count, onClear, children }: { count: number; onClear: () => void; children: ReactNode }) {
  if (count === 0) return null;
  return (
    <Alert color="indigo" p="xs" role="status">
      <Group justify="space-between">
        <Text size="sm">{count} selected</Text>
        <Group gap="xs">
          {children}
          <Button size="xs" variant="default" onClick={onClear}>
            Select nothing
          </Button>
        </Group>
      </Group>
    </Alert>
  );
}
