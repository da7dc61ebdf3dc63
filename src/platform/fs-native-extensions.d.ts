declare module 'fs-native-extensions' {
  /** Takes an exclusive lock of the open file description; false when another description holds it. */
  export function tryLock(descriptor: number): boolean
}
