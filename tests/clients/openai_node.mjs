// openai-node as its users write it, with only the address and the key changed.
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";
import { allOf } from "./all_of.mjs";

const messages = [{ role: "user", content: "When does it ship?" }];
const parameters = { type: "object", properties: { number: { type: "integer" } } };
const tools = [{ type: "function", function: { name: "order", parameters } }];

export const connect = (baseURL, apiKey) => new OpenAI({ baseURL, apiKey, maxRetries: 0 });

export const scenarios = {
  async chat(client, model) {
    const { data, response } = await client.chat.completions.create({ model, messages }).withResponse();
    const option = response.headers.get("x-netra-option");
    return { text: data.choices[0].message.content, tokens: data.usage.total_tokens, option };
  },
  async stream(client, model) {
    const stream = client.chat.completions.stream({ model, messages, stream_options: { include_usage: true } });
    const answer = await stream.finalChatCompletion();
    return { text: answer.choices[0].message.content, tokens: (await stream.totalUsage()).total_tokens };
  },
  async tools(client, model) {
    const answer = await client.chat.completions.create({ model, messages, tools });
    return answer.choices[0].message.tool_calls.map((call) => JSON.parse(call.function.arguments).number);
  },
  async streamed_tools(client, model) {
    const answer = await client.chat.completions.stream({ model, messages, tools }).finalChatCompletion();
    return answer.choices[0].message.tool_calls.map((call) => JSON.parse(call.function.arguments).number);
  },
  async schema(client, model) {
    const response_format = zodResponseFormat(z.object({ day: z.string() }), "answer");
    const answer = await client.chat.completions.parse({ model, messages, response_format });
    return answer.choices[0].message.parsed;
  },
  async responses(client, model) {
    return (await client.responses.create({ model, input: "When does it ship?" })).output_text;
  },
  async embeddings(client, model) {
    const found = await client.embeddings.create({ model, input: ["one", "two"], encoding_format: "float" });
    return found.data.map((each) => each.embedding);
  },
  async models(client) {
    return (await allOf(client.models.list())).map((each) => each.id);
  },
  async abort(client, model) {
    const stream = await client.chat.completions.create({ model, messages, stream: true });
    let text = "";
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta?.content ?? "";
      if (text) stream.controller.abort();
    }
    return text;
  },
};
