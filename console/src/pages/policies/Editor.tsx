/** The files of a set, each a plain text with line numbers. */
import { ActionIcon, Button, Group, Stack, Tabs, TextInput, Tooltip } from "@mantine/core";
import { IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import { fileNames, type Files, wrongName } from "../../lib/policies";
import { TabRow } from "../../parts/TabRow";

export function Editor({ files, onChange, readOnly = false }: { files: Files; onChange?: (next: Files) => void; readOnly?: boolean }) {
  const names = fileNames(files);
  const [chosen, setChosen] = useState<string | null>(null);
  const [adding, setAdding] = useState("");
  const shown = chosen !== null && chosen in files ? chosen : (names[0] ?? null);
  const wrong = adding ? wrongName(adding, files) : null;
  if (shown === null) return null;
  const without = () => onChange?.(Object.fromEntries(Object.entries(files).filter(([name]) => name !== shown)));
  return (
    <Stack gap="xs">
      <Tabs value={shown} onChange={setChosen} keepMounted={false}>
        <TabRow>
          {names.map((name) => (
            <Tabs.Tab key={name} value={name}>
              {name}
            </Tabs.Tab>
          ))}
        </TabRow>
        {names.map((name) => (
          <Tabs.Panel key={name} value={name} pt="xs">
            <Lines name={name} text={files[name] ?? ""} readOnly={readOnly} onChange={(text) => onChange?.({ ...files, [name]: text })} />
          </Tabs.Panel>
        ))}
      </Tabs>
      {!readOnly && (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            if (!adding || wrong) return;
            onChange?.({ ...files, [adding]: "" });
            setChosen(adding);
            setAdding("");
          }}
        >
          <Group gap="xs" align="start">
            <TextInput aria-label="Name of a further file" placeholder="limits.cedar" size="xs" value={adding} error={wrong} onChange={(event) => setAdding(event.currentTarget.value)} />
            <Button type="submit" size="xs" variant="default" disabled={!adding || wrong !== null}>
              Add a file
            </Button>
            {shown !== "cases.yaml" && (
              <Tooltip label={`Leave ${shown} out`}>
                <ActionIcon variant="subtle" color="red" size="md" onClick={without} aria-label={`Leave ${shown} out`}>
                  <IconTrash size={16} aria-hidden />
                </ActionIcon>
              </Tooltip>
            )}
          </Group>
        </form>
      )}
    </Stack>
  );
}

function Lines({ name, text, readOnly, onChange }: { name: string; text: string; readOnly: boolean; onChange: (text: string) => void }) {
  const count = text.split("\n").length;
  return (
    <div className="editor">
      <pre aria-hidden>{Array.from({ length: count }, (_, number) => number + 1).join("\n")}</pre>
      <textarea
        aria-label={name}
        value={text}
        rows={Math.max(count, 8)}
        wrap="off"
        spellCheck={false}
        autoCapitalize="off"
        autoComplete="off"
        readOnly={readOnly}
        onChange={(event) => onChange(event.currentTarget.value)}
      />
    </div>
  );
}
