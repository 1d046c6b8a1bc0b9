// Everything that comes, in order; Array.fromAsync is newer than the Node that Debian has.
export async function allOf(stream) {
  const found = [];
  for await (const each of stream) found.push(each);
  return found;
}
