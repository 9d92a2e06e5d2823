// What @peculiar/x509 asks of the runtime when it is loaded, and has no use for: metadata of decorators.
const none = () => undefined;

for (const name of ['getMetadata', 'getOwnMetadata', 'defineMetadata']) {
  if (!(name in Reflect)) Object.defineProperty(Reflect, name, { value: none, configurable: true, writable: true });
}
