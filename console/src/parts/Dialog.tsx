/** A dialog with a name and a way out; its heading is no banner of the page, as Mantine's own would be. It opens and closes at once:
 * one that still fades away would swallow the next key. */
import { Group, Modal, type ModalRootProps } from "@mantine/core";

export function Dialog({ title, children, ...rest }: ModalRootProps & { title: string }) {
  return (
    <Modal.Root transitionProps={{ duration: 0 }} {...rest}>
      <Modal.Overlay />
      <Modal.Content>
        <Group justify="space-between" p="md" pb={0}>
          <Modal.Title fw={600}>{title}</Modal.Title>
          <Modal.CloseButton aria-label="Close" />
        </Group>
        <Modal.Body pt="sm">{children}</Modal.Body>
      </Modal.Content>
    </Modal.Root>
  );
}
