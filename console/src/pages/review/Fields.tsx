/** The fields of a review: what stands there, how surely it was read, the rules that it breaks or keeps, and a place to change it. */
import { Badge, Group, Kbd, type MantineColor, Select, Stack, Text, TextInput, UnstyledButton } from "@mantine/core";
import { IconAlertTriangle, IconAntennaBars2, IconAntennaBars3, IconAntennaBars5, IconCheck, IconCircleDashed } from "@tabler/icons-react";
import { useEffect, useRef } from "react";
import type { Schemas } from "../../api/client";
import { type Field, tableOf, type Values } from "../../lib/review";
import { band, type Band, limitRules, policyRules, problemOf, type Rule } from "../../lib/rules";

const LOOKS: Record<Band, [MantineColor, typeof IconCheck]> = {
  High: ["teal", IconAntennaBars5],
  Medium: ["yellow", IconAntennaBars3],
  Low: ["orange", IconAntennaBars2],
  Unread: ["gray", IconCircleDashed],
};

export function Fields(props: {
  fields: Field[];
  rules: Schemas["ReviewRules"] | undefined;
  typed: Record<string, string>;
  current: string | null;
  editing: boolean;
  readOnly: boolean;
  onSelect: (name: string, edit?: boolean) => void;
  onType: (name: string, text: string | null) => void;
}) {
  const { fields, rules, typed, current, editing, readOnly, onSelect, onType } = props;
  return (
    <Stack gap={2} component="ul" p={0} m={0} role="list">
      {fields.map((field, number) => (
        <Row
          key={field.name}
          field={field}
          rules={rules}
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
  rules: Schemas["ReviewRules"] | undefined;
  number: number;
  text: string | undefined;
  current: boolean;
  editing: boolean;
  onSelect: (name: string, edit?: boolean) => void;
  onType: (name: string, text: string | null) => void;
}) {
  const { field, rules, number, text, current, editing, onSelect, onType } = props;
  const shown = text ?? textOf(field.value);
  const changed = text !== undefined && text !== textOf(field.value);
  const table = changed ? null : tableOf(field.value);
  return (
    <Group component="li" wrap="nowrap" className="row-link" data-current={current} p={6} gap="sm" align="flex-start">
      {number < 9 ? <Kbd size="xs">{number + 1}</Kbd> : <span />}
      <Stack gap={2} flex={1} miw={0}>
        <Group justify="space-between" gap="xs">
          <Text size="xs" c="dimmed">
            {field.label}
          </Text>
          {field.found && <Confidence value={field.found.confidence} bands={rules?.bands} />}
        </Group>
        {editing ? (
          <Editor field={field} text={shown} onType={onType} />
        ) : (
          <UnstyledButton mih="1.5rem" onClick={() => onSelect(field.name)} onDoubleClick={() => onSelect(field.name, true)} aria-pressed={current}>
            <Text size="sm" fw={500} className={shown ? "field-value" : "quiet"}>
              {table ? `${table.rows.length} ${table.rows.length === 1 ? "entry" : "entries"}` : shown || "not read"}
            </Text>
          </UnstyledButton>
        )}
        {table && !editing && <Items label={field.label} {...table} />}
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
        <RuleList rules={[...limitRules(field, shown), ...policyRules(rules, field.name)]} current={current} changed={changed} />
      </Stack>
    </Group>
  );
}

/** The entries of a list, such as the lines of a receipt. */
function Items({ label, columns, rows }: { label: string; columns: string[]; rows: Values[] }) {
  return (
    <div className="items" role="region" aria-label={`${label}, entries`} tabIndex={0}>
      <table>
        <thead>
          <tr>
            {columns.map((name) => (
              <th key={name} scope="col">
                {name.replaceAll("_", " ")}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, number) => (
            <tr key={number}>
              {columns.map((name) => (
                <td key={name}>{textOf(row[name])}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** How surely it was read: as icon, word and colour by what the automation calls so, and as a number. */
function Confidence({ value, bands }: { value: number | null; bands: Schemas["ConfidenceBands"] | null | undefined }) {
  const how = band(value, bands);
  const [color, Icon] = how ? LOOKS[how] : (["gray", null] as const);
  const says = bands ? `High from ${bands.high * 100} % on, medium from ${bands.medium * 100} %` : "The automation names no bands.";
  return (
    <Badge size="sm" variant="light" color={color} tt="none" title={says} leftSection={Icon && <Icon size={12} aria-hidden />}>
      {how} {value !== null && `${Math.floor(value * 1000) / 10} %`}
    </Badge>
  );
}

/** What is broken is always shown; what holds where one looks. */
function RuleList({ rules, current, changed }: { rules: Rule[]; current: boolean; changed: boolean }) {
  const shown = rules.filter((rule) => current || !rule.holds);
  if (shown.length === 0) return null;
  return (
    <ul className="field-rules" aria-label="Rules">
      {shown.map((rule) => (
        <li key={`${rule.policy ?? ""} ${rule.says}`} className={rule.holds ? "good" : "warn"}>
          {rule.holds ? <IconCheck size={13} aria-label="Holds" role="img" /> : <IconAlertTriangle size={13} aria-label="Broken" role="img" />}
          <span>
            {rule.policy === null ? rule.says : rule.holds ? `Not so: ${rule.says}` : rule.says}
            {rule.policy !== null && changed && <span className="quiet"> (before your change)</span>}
          </span>
        </li>
      ))}
    </ul>
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
