/** The fields of a review: what stands there, how surely it was read, and a place to change it. */
import { Badge, Group, Kbd, Select, Stack, Text, TextInput, UnstyledButton } from "@mantine/core";
import { useEffect, useRef } from "react";
import { band, type Band, type Field, problemOf } from "../../lib/review";

const COLORS: Record<Band, string> = { Certain: "teal", High: "teal", Medium: "yellow", Low: "orange", Unread: "gray" };

export function Fields(props: {
  fields: Field[];
  typed: Record<string, string>;
  current: string | null;
  editing: boolean;
  readOnly: boolean;
  onSelect: (name: string, edit?: boolean) => void;
  onType: (name: string, text: string | null) => void;
}) {
  const { fields, typed, current, editing, readOnly, onSelect, onType } = props;
  return (
    <Stack gap={2} component="ul" p={0} m={0} role="list">
      {fields.map((field, number) => (
        <Row
          key={field.name}
          field={field}
          number={number}
          text={typed[field.name]}
          current={field.name === current}
          editing={editing && field.name === current && !readOnly}
          onSelect={onSelect}
          onType={onType}
        />
      ))}
    </Stack>
  );
}

export const textOf = (value: unknown): string =>
  value === null || value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);

function Row(props: {
  field: Field;
  number: number;
  text: string | undefined;
  current: boolean;
  editing: boolean;
  onSelect: (name: string, edit?: boolean) => void;
  onType: (name: string, text: string | null) => void;
}) {
  const { field, number, text, current, editing, onSelect, onType } = props;
  const how = band(field.found?.confidence ?? null);
  const shown = text ?? textOf(field.value);
  const changed = text !== undefined && text !== textOf(field.value);
  return (
    <Group component="li" wrap="nowrap" className="row-link" data-current={current} p={6} gap="sm" align="flex-start">
      {number < 9 ? <Kbd size="xs">{number + 1}</Kbd> : <span />}
      <Stack gap={2} flex={1} miw={0}>
        <Group justify="space-between" gap="xs">
          <Text size="xs" c="dimmed">
            {field.label}
          </Text>
          {field.found && (
            <Badge size="xs" variant="light" color={COLORS[how]} tt="none" title={field.found.confidence === null ? "" : `${Math.round(field.found.confidence * 100)} % sure`}>
              {how}
            </Badge>
          )}
        </Group>
        {editing ? (
          <Editor field={field} text={shown} onType={onType} />
        ) : (
          <UnstyledButton onClick={() => onSelect(field.name)} onDoubleClick={() => onSelect(field.name, true)} aria-pressed={current}>
            <Text size="sm" fw={500} className={shown ? undefined : "quiet"}>
              {shown || "not read"}
            </Text>
          </UnstyledButton>
        )}
        {changed && !editing && (
          <Text size="xs" className="warn">
            was {textOf(field.value) || "empty"}
          </Text>
        )}
        {field.found && field.found.value !== textOf(field.value) && (
          <Text size="xs" c="dimmed">
            read as {field.found.value}
          </Text>
        )}
      </Stack>
    </Group>
  );
}

function Editor({ field, text, onType }: { field: Field; text: string; onType: (name: string, text: string | null) => void }) {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    input.current?.focus();
    input.current?.select();
  }, []);
  if (field.kind === "choice" || field.kind === "yes-no") {
    return (
      <Select
        ref={input}
        size="xs"
        aria-label={field.label}
        data={field.kind === "yes-no" ? ["true", "false"] : field.choices}
        value={text || null}
        clearable={field.nullable}
        onChange={(value) => onType(field.name, value ?? "")}
      />
    );
  }
  return (
    <TextInput
      ref={input}
      size="xs"
      aria-label={field.label}
      value={text}
      inputMode={field.kind === "number" ? "decimal" : undefined}
      error={problemOf(field, text) || undefined}
      description={field.description || undefined}
      onChange={(event) => onType(field.name, event.currentTarget.value)}
    />
  );
}
