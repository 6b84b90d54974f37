package openai

import (
	"net/http"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/exchange"
)

// classify finds the Kind of a problem by its structure: its code, its type, the number that some send as code, and the
// status, in this order. Only where all of these say no more than that something is wrong, the ends of its message count.
func classify(p problem, status int) genai.Kind {
	for _, word := range []string{p.inner, p.code, p.kind, p.metadata.kind} {
		if kind, ok := kindOfWord(word); ok {
			return kind
		}
	}
	if status == 0 {
		status = p.status
	}
	switch {
	case status == http.StatusPaymentRequired && p.metadata.limit == "openrouter_in_flight_budget":
		return genai.RateLimited
	case status == http.StatusForbidden && p.metadata.flagged:
		return genai.ContentFiltered
	case p.param == "model" && p.code == "invalid_value": // how the images interface says that there is no such model
		return genai.NotFound
	case status == 0 && (p.kind == "invalid_request_error" || p.code == "invalid_request_error"):
		return genai.InvalidRequest
	}
	kind := exchange.KindOfStatus(status)
	if kind == genai.InvalidRequest || kind == genai.RateLimited || status == 0 {
		for _, known := range phrases {
			if strings.HasPrefix(p.message, known.begins) && strings.HasSuffix(p.message, known.ends) {
				return known.kind
			}
		}
	}
	return kind
}

// phrases are how messages begin and end that mean something closer than their status, from servers that have no code for
// it. What stands in the middle is a name, or may be a quotation.
var phrases = []struct {
	begins, ends string
	kind         genai.Kind
}{
	{"This model's maximum context length is", "", genai.ContextLength},                           // vLLM, DeepSeek
	{"This endpoint's maximum context length is", "", genai.ContextLength},                        // OpenRouter
	{"The decoder prompt (length", "", genai.ContextLength},                                       // vLLM
	{"Requested token count exceeds the model's maximum context length", "", genai.ContextLength}, // SGLang
	{"Prompt contains ", " maximum context length", genai.ContextLength},                          // Mistral
	{"prompt is too long", "", genai.ContextLength},                                               // gateways to Anthropic
	{"The input token count", "", genai.ContextLength},                                            // gateways to Gemini
	{"the request exceeds the available context size", "", genai.ContextLength},                   // llama.cpp, before it had a type for it
	{"Incorrect API key provided", "", genai.Unauthenticated},                                     // xAI, with 400
	{"Model not found: ", "", genai.NotFound},                                                     // xAI
	{"The supported API model names are ", "", genai.NotFound},                                    // DeepSeek
	{"", " is not a valid model ID", genai.NotFound},                                              // OpenRouter
	{"Model ", " does not exist", genai.NotFound},                                                 // OpenRouter
	{"Rate limit exceeded: free-models-per-day", "", genai.QuotaExhausted},                        // OpenRouter
}

// kindOfWord is the table of codes and types. Words that go with several kinds are left out, such as
// "invalid_request_error", which providers send with every 4xx.
func kindOfWord(word string) (genai.Kind, bool) {
	switch word {
	case "insufficient_quota", "credit_balance_exhausted", "organization_spend_limit_exceeded", "project_spend_limit_exceeded",
		"organization_usage_limit_exceeded", "billing_hard_limit_reached", "billing_not_active", "billing_error", "insufficient_balance":
		return genai.QuotaExhausted, true
	case "rate_limit_exceeded", "rate_limit_error", "rate_limit_reached", "RateLimitReached", "requests", "tokens",
		"token_limit_exceeded": // of the batches that wait
		return genai.RateLimited, true
	case "context_length_exceeded", "exceed_context_size_error":
		return genai.ContextLength, true
	case "content_filter", "content_policy_violation", "invalid_prompt", "moderation_blocked", "image_content_policy_violation", "ResponsibleAIPolicyViolation":
		return genai.ContentFiltered, true
	case "invalid_api_key", "authentication_error", "account_deactivated":
		return genai.Unauthenticated, true
	case "permission_error", "unsupported_country_region_territory", "organization_restricted":
		return genai.PermissionDenied, true
	case "model_not_found", "not_found_error", "invalid_model", "DeploymentNotFound", "previous_response_not_found":
		return genai.NotFound, true
	case "unsupported_parameter", "unsupported_value", "unknown_parameter", "extra_forbidden", "not_supported_error", "OperationNotSupported":
		return genai.Unsupported, true
	case "conversation_locked", "conflict_error":
		return genai.Conflict, true
	case "request_too_large", "image_file_too_large":
		return genai.TooLarge, true
	case "invalid_image", "invalid_image_format", "invalid_base64_image", "invalid_image_url", "invalid_image_mode", "image_too_large",
		"image_too_small", "image_parse_error", "unsupported_image_media_type", "empty_image_file", "failed_to_download_image",
		"image_file_not_found": // inside of an answer there is no status that says so
		return genai.InvalidRequest, true
	case "tool_use_failed", "json_validate_failed": // what the model wrote is not what it was asked to write
		return genai.Malformed, true
	case "overloaded_error", "engine_overloaded", "capacity_exceeded", "service_unavailable", "unavailable_error", "slow_down":
		return genai.Overloaded, true
	case "timeout_error", "request_timeout", "timeout", "vector_store_timeout", "batch_expired":
		return genai.Timeout, true
	case "batch_cancelled":
		return genai.Cancelled, true
	}
	return "", false
}
