// Plays one scenario of one client for each line of JSON that comes in, and tells in a line what the client saw.
import { createInterface } from "node:readline";
import * as openai from "./openai_node.mjs";
import * as vercel from "./vercel_ai.mjs";

const clients = { openai, vercel };

async function told({ client, scenario, base_url, key, model }) {
  try {
    return await clients[client].scenarios[scenario](clients[client].connect(base_url, key), model);
  } catch (problem) {
    return { problem: problem.constructor.name, status: problem.status ?? problem.statusCode, message: problem.message };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await told(JSON.parse(line))));
}
