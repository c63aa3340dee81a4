/** The sheet of all keys, and the switch that turns single-letter keys off. */
import { Group, Kbd, Stack, Switch, Table, Text } from "@mantine/core";
import { Dialog } from "../parts/Dialog";
import { useDisclosure, useHotkeys, useLocalStorage } from "@mantine/hooks";

type Hotkey = [string, (event: KeyboardEvent) => void];

export function useKeysOn(): [boolean, (on: boolean) => void] {
  const [on, setOn] = useLocalStorage({ key: "interlock.keys", defaultValue: true, getInitialValueInEffect: false });
  return [on, setOn];
}

/** Bind keys of a page; off while typing, while a dialog is open, and where the reader switched them off. */
export function usePageKeys(keys: Hotkey[]): void {
  const [on] = useKeysOn();
  const guarded = keys.map(([key, act]): Hotkey => [
    key,
    (event) => {
      if (document.querySelector('[role="dialog"][data-modal-content], .mantine-Modal-content')) return;
      act(event);
    },
  ]);
  useHotkeys(on ? guarded : []);
}

export function useKeysHelp() {
  const [opened, { open, close }] = useDisclosure();
  return { opened, open, close };
}

const ALL: [string, [string[], string][]][] = [
  ["Everywhere", [[["Ctrl", "K"], "Search and commands"], [["?"], "This sheet"]]],
  ["Inbox", [[["j"], "Next"], [["k"], "Previous"], [["Enter"], "Open"], [["x"], "Select"], [["a"], "Approve what is selected"], [["g"], "Give what is selected to somebody"], [["u"], "Undo, within 5 s"], [["Esc"], "Select nothing"]]],
  [
    "Review",
    [
      [["a"], "Approve and go on"], [["r"], "Reject"], [["e"], "Edit the field"], [["↑", "↓"], "Another field"],
      [["1…9"], "That field, or that option"], [["Ctrl", "Enter"], "Finish and go on"], [["j"], "Next review"], [["k"], "Previous review"],
      [["c"], "Claim or release"], [["g"], "Give it to somebody"], [["u"], "Undo, within 5 s"], [["+"], "Larger"], [["−"], "Smaller"], [["o"], "Turn the page"], [["Esc"], "Back to the inbox"],
    ],
  ],
]; // prettier-ignore

export function Keys({ opened, close }: { opened: boolean; close: () => void }) {
  const [on, setOn] = useKeysOn();
  return (
    <Dialog opened={opened} onClose={close} title="Keys" size="lg">
      <Stack>
        <Switch checked={on} onChange={(event) => setOn(event.currentTarget.checked)} label="Single-letter keys" description="They are off while you type." />
        {ALL.map(([where, keys]) => (
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
                        {names.map((name) => (
                          <Kbd key={name}>{name}</Kbd>
                        ))}
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
  );
}
