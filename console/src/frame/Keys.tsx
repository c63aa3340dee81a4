/** The sheet of all keys, where single letters are moved and switched off; and the way a page binds its keys. */
import { Alert, Button, Group, Kbd, Stack, Switch, Table, Text, UnstyledButton } from "@mantine/core";
import { useDisclosure, useHotkeys, useLocalStorage } from "@mantine/hooks";
import { useState } from "react";
import { type KeyMap, KEYS, movable, moved, ownKey, readMap, refusal } from "../lib/keys";
import { Dialog } from "../parts/Dialog";

type Hotkey = [string, (event: KeyboardEvent) => void];

export function useKeysOn(): [boolean, (on: boolean) => void] {
  const [on, setOn] = useLocalStorage({ key: "interlock.keys", defaultValue: true, getInitialValueInEffect: false });
  return [on, setOn];
}

/** The keys that the reader has moved, kept on this device. */
function useKeyMap(): [KeyMap, (next: KeyMap) => void] {
  const [kept, keep] = useLocalStorage<unknown>({ key: "interlock.keymap", defaultValue: {}, getInitialValueInEffect: false });
  return [readMap(kept), keep];
}

/** Give how a key is called here, for what names it on a page. */
export function useKeyName(): (key: string) => string {
  const [map] = useKeyMap();
  return (key) => ownKey(map, key);
}

/** How a key may be struck: where a sign stands on a keyboard, and whether with Shift, is not the same everywhere. */
function strokes(key: string): string[] {
  const name = key === "+" ? "[plus]" : key; // with a plus the library joins keys
  return key.length === 1 && !/[a-z0-9]/i.test(key) ? [name, `shift+${name}`] : [name];
}

/** Whether a dialog was open when a key was struck: the key that closes it is its own, and not the page's. */
let struckInDialog = false;
export const inDialog = (): boolean => struckInDialog;
const look = () => { struckInDialog = document.querySelector('[role="dialog"][data-modal-content], .mantine-Modal-content') !== null; }; // prettier-ignore
window.addEventListener("keydown", look, { capture: true }); // before any dialog hears of it

/** Bind keys of a page; off while typing, while a dialog is open, and where the reader switched them off. */
export function usePageKeys(keys: Hotkey[]): void {
  const [on] = useKeysOn();
  const [map] = useKeyMap();
  const guarded = keys.flatMap(([key, act]) =>
    strokes(ownKey(map, key)).map((stroke): Hotkey => [
      stroke,
      (event) => {
        if (struckInDialog) return;
        act(event);
      },
    ]),
  );
  useHotkeys(on ? guarded : []);
}

export function useKeysHelp() {
  const [opened, { open, close }] = useDisclosure();
  return { opened, open, close };
}

export function Keys({ opened, close }: { opened: boolean; close: () => void }) {
  const [on, setOn] = useKeysOn();
  const [map, setMap] = useKeyMap();
  const [moving, setMoving] = useState<string | null>(null);
  const [refused, setRefused] = useState<string | null>(null);
  const take = (event: React.KeyboardEvent) => {
    if (moving === null || ["Shift", "Control", "Alt", "Meta", "Tab"].includes(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    const wanted = event.key.toLowerCase();
    const why = event.key === "Escape" ? null : refusal(map, moving, wanted);
    setRefused(why);
    if (why) return;
    if (event.key !== "Escape") setMap(moved(map, moving, wanted));
    setMoving(null);
  };
  return (
    <Dialog opened={opened} onClose={close} title="Keys" size="lg" closeOnEscape={moving === null} onKeyDownCapture={take}>
      <Stack>
        <Group justify="space-between">
          <Switch checked={on} onChange={(event) => setOn(event.currentTarget.checked)} label="Single-letter keys" description="They are off while you type." />
          <Button size="xs" variant="default" onClick={() => setMap({})} disabled={Object.keys(map).length === 0}>
            As they were
          </Button>
        </Group>
        <Text size="sm" c="dimmed">
          A letter is moved by pressing it here, then the letter that shall take its place, on this device and on every page.
        </Text>
        {moving !== null && (
          <Alert role="status" className="stays" color={refused ? "orange" : "blue"} title={`Press the letter in place of ${ownKey(map, moving)}`}>
            {refused ?? "Escape leaves it."}
          </Alert>
        )}
        {KEYS.map(([where, keys]) => (
          <div key={where}>
            <Text fw={600} mb={4}>
              {where}
            </Text>
            <Table>
              <Table.Tbody>
                {keys.map(([names, says]) => (
                  <Table.Tr key={says}>
                    <Table.Td w={160}>
                      <Group gap={4}>
                        {names.map((name) =>
                          movable(name) ? (
                            <UnstyledButton key={name} className="movable-key" aria-label={`Move ${ownKey(map, name)}: ${says}`} aria-pressed={moving === name} onClick={() => { setRefused(null); setMoving(name); }}>
                              <Kbd>{ownKey(map, name)}</Kbd>
                            </UnstyledButton>
                          ) : (
                            <Kbd key={name}>{name}</Kbd>
                          ),
                        )}
                      </Group>
                    </Table.Td>
                    <Table.Td>{says}</Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </div>
        ))}
      </Stack>
    </Dialog>
  ); // prettier-ignore
}
