/** Files that are dropped or chosen, uploaded at once, each with how far it is and what it looks like. */
import "@mantine/dropzone/styles.css";
import { ActionIcon, Button, Card, Group, Image, Input, Progress, Stack, Text, ThemeIcon } from "@mantine/core";
import { Dropzone, MIME_TYPES } from "@mantine/dropzone";
import { IconFileText, IconUpload, IconX } from "@tabler/icons-react";
import { useEffect, useId, useRef, useState } from "react";
import { upload } from "../api/upload";
import type { Document } from "../lib/form";

interface Sending {
  key: string;
  name: string;
  share: number;
  wrong: string;
}

interface Props {
  label: string;
  description?: string;
  withAsterisk: boolean;
  error?: string;
  documents: Document[];
  most: number | null;
  onChange: (documents: Document[]) => void;
  onBusy: (by: number) => void;
}

export function FileDrop({ label, description, withAsterisk, error, documents, most, onChange, onBusy }: Props) {
  const open = useRef<() => void>(null);
  const [sending, setSending] = useState<Sending[]>([]);
  const [looks, setLooks] = useState<Record<string, string>>({}); // by document, where the browser can show it
  const said = useId();
  const here = useRef(documents);
  here.current = documents;
  const made = useRef<string[]>([]);
  useEffect(() => () => made.current.forEach((url) => URL.revokeObjectURL(url)), []);

  const change = (key: string, by: Partial<Sending>) => setSending((all) => all.map((one) => (one.key === key ? { ...one, ...by } : one)));
  const send = async (file: File) => {
    const key = crypto.randomUUID();
    setSending((all) => [...all, { key, name: file.name, share: 0, wrong: "" }]);
    onBusy(1);
    try {
      const document = await upload(file, (share) => change(key, { share }));
      if (file.type.startsWith("image/")) {
        const url = URL.createObjectURL(file);
        made.current.push(url);
        setLooks((all) => ({ ...all, [document.id]: url }));
      }
      here.current = [...here.current, document]; // several may end before the next drawing
      onChange(here.current);
      setSending((all) => all.filter((one) => one.key !== key));
    } catch (failed) {
      change(key, { wrong: failed instanceof Error ? failed.message : String(failed) });
    } finally {
      onBusy(-1);
    }
  };
  const take = (files: File[]) => {
    const free = most === null ? files.length : Math.max(0, most - documents.length);
    for (const file of files.slice(0, free)) void send(file);
    for (const file of files.slice(free)) {
      setSending((all) => [...all, { key: crypto.randomUUID(), name: file.name, share: 0, wrong: `At most ${most} can be given.` }]);
    }
  };
  return (
    <Input.Wrapper label={label} description={description} error={error} withAsterisk={withAsterisk} labelElement="div" errorProps={{ id: said }}>
      <Stack gap="xs" mt={4} data-wrong={Boolean(error)}>
        <Dropzone
          onDrop={take}
          onReject={(refused) => setSending((all) => [...all, ...refused.map(({ file }) => ({ key: crypto.randomUUID(), name: file.name, share: 0, wrong: "Only JPEG, PNG and PDF are taken." }))])} // prettier-ignore
          accept={[MIME_TYPES.jpeg, MIME_TYPES.png, MIME_TYPES.pdf]}
          multiple={most !== 1}
          openRef={open}
          activateOnClick={false}
          activateOnKeyboard={false} // the button is what one reaches by keys
          enablePointerEvents
          inputProps={{ "aria-label": `${label}: files` }}
          p="md"
        >
          <Group gap="sm" justify="center">
            <IconUpload size={20} aria-hidden />
            <Text size="sm">Drop JPEG, PNG or PDF here, or</Text>
            <Button size="xs" variant="default" onClick={() => open.current?.()} aria-describedby={error ? said : undefined}>
              Choose files
            </Button>
          </Group>
        </Dropzone>
        <Stack gap="xs" component="ul" p={0} m={0} role="list" aria-label={label}>
          {documents.map((document) => (
            <Card key={document.id} component="li" withBorder padding="xs">
              <Group wrap="nowrap" gap="sm">
                {looks[document.id] ? (
                  <Image src={looks[document.id]} alt={`${document.filename}, the first page`} h={72} w={56} fit="cover" radius="sm" />
                ) : (
                  <ThemeIcon variant="light" size={48}>
                    <IconFileText aria-hidden />
                  </ThemeIcon>
                )}
                <Stack gap={0} flex={1} miw={0}>
                  <Text size="sm" truncate>
                    {document.filename || document.id}
                  </Text>
                  <Text size="xs" c="dimmed">
                    {document.pages === 1 ? "1 page" : `${document.pages} pages`} · {Math.ceil((document.size_bytes ?? 0) / 1024)} kB
                  </Text>
                </Stack>
                <ActionIcon variant="subtle" color="gray" aria-label={`Take ${document.filename} away`} onClick={() => onChange(documents.filter((one) => one.id !== document.id))}>
                  <IconX size={16} aria-hidden />
                </ActionIcon>
              </Group>
            </Card>
          ))}
          {sending.map((one) => (
            <Card key={one.key} component="li" withBorder padding="xs">
              <Group justify="space-between" wrap="nowrap">
                <Text size="sm" truncate>
                  {one.name}
                </Text>
                {one.wrong && (
                  <ActionIcon variant="subtle" color="gray" aria-label={`Take ${one.name} away`} onClick={() => setSending((all) => all.filter((other) => other.key !== one.key))}>
                    <IconX size={16} aria-hidden />
                  </ActionIcon>
                )}
              </Group>
              {one.wrong ? (
                <Text size="sm" className="bad" role="alert">
                  {one.wrong}
                </Text>
              ) : (
                <Progress value={one.share * 100} size="sm" aria-label={`${one.name} is uploaded`} />
              )}
            </Card>
          ))}
        </Stack>
      </Stack>
    </Input.Wrapper>
  );
}
