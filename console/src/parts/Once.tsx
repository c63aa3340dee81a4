/** A secret that is shown once: copied, and gone from here when the dialog is closed. */
import { Button, Code, CopyButton, Group, Stack, Text } from "@mantine/core";
import { IconCheck, IconCopy } from "@tabler/icons-react";
import { Dialog } from "./Dialog";

export function Once({ name, secret, onClose }: { name: string; secret: string | null; onClose: () => void }) {
  return (
    <Dialog opened={secret !== null} onClose={onClose} title={name} closeOnClickOutside={false} size="lg">
      <Stack>
        <Text size="sm">Copy it now. It is not stored, and never shown again.</Text>
        <Code block className="mono" aria-label="The new key">
          {secret ?? ""}
        </Code>
        <Group justify="flex-end">
          <CopyButton value={secret ?? ""}>
            {({ copied, copy }) => (
              <Button onClick={copy} leftSection={copied ? <IconCheck size={16} aria-hidden /> : <IconCopy size={16} aria-hidden />} data-autofocus>
                {copied ? "Copied" : "Copy"}
              </Button>
            )}
          </CopyButton>
          <Button variant="default" onClick={onClose}>
            I have it
          </Button>
        </Group>
      </Stack>
    </Dialog>
  );
}
