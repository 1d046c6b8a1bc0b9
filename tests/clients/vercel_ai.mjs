// The Vercel AI SDK with its OpenAI provider, with only the address and the key changed.
import { createOpenAI } from "@ai-sdk/openai";
import { embedMany, generateObject, generateText, streamText, tool } from "ai";
import { z } from "zod";
import { allOf } from "./all_of.mjs";

const prompt = "When does it ship?";
const once = { prompt, maxRetries: 0 };
const tools = { order: tool({ inputSchema: z.object({ number: z.number() }) }) };

export const connect = (baseURL, apiKey) => createOpenAI({ baseURL, apiKey });

export const scenarios = {
  async chat(provider, model) {
    const { text, usage, response } = await generateText({ ...once, model: provider.chat(model) });
    return { text, tokens: usage.totalTokens, option: response.headers["x-netra-option"] };
  },
  async stream(provider, model) {
    const { textStream, usage } = streamText({ ...once, model: provider.chat(model) });
    const text = (await allOf(textStream)).join("");
    return { text, tokens: (await usage).totalTokens };
  },
  async tools(provider, model) {
    const { toolCalls } = await generateText({ ...once, model: provider.chat(model), tools });
    return toolCalls.map((call) => call.input.number);
  },
  async streamed_tools(provider, model) {
    const { toolCalls } = streamText({ ...once, model: provider.chat(model), tools });
    return (await toolCalls).map((call) => call.input.number);
  },
  async schema(provider, model) {
    const schema = z.object({ day: z.string() });
    return (await generateObject({ ...once, model: provider.chat(model), schema })).object;
  },
  async responses(provider, model) {
    return (await generateText({ ...once, model: provider.responses(model) })).text;
  },
  async embeddings(provider, model) {
    const asked = { model: provider.embedding(model), values: ["one", "two"], maxRetries: 0 };
    return (await embedMany(asked)).embeddings;
  },
  async abort(provider, model) {
    const controller = new AbortController();
    const asked = { ...once, model: provider.chat(model), abortSignal: controller.signal, onError() {} };
    let text = "";
    for await (const piece of streamText(asked).textStream) {
      text += piece;
      controller.abort();
    }
    return text;
  },
};
