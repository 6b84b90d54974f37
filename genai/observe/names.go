package observe

// The names are those of the semantic conventions 1.41 for generative AI, the last ones that were released, and 1.44 for
// the rest. They are kept here, and not taken from a package of OpenTelemetry, because there they come and go between
// releases; changing to newer ones means changing this file.

// Instrumentation scope.
const scope = "github.com/dovetail-go/dovetail/genai/observe"

// Attributes of what is asked.
const (
	keyOperation        = "gen_ai.operation.name"
	keyProvider         = "gen_ai.provider.name"
	keyRequestModel     = "gen_ai.request.model"
	keyOutputType       = "gen_ai.output.type"
	keyChoiceCount      = "gen_ai.request.choice.count"
	keySeed             = "gen_ai.request.seed"
	keyStream           = "gen_ai.request.stream"
	keyTemperature      = "gen_ai.request.temperature"
	keyTopP             = "gen_ai.request.top_p"
	keyTopK             = "gen_ai.request.top_k"
	keyMaxTokens        = "gen_ai.request.max_tokens"
	keyFrequencyPenalty = "gen_ai.request.frequency_penalty"
	keyPresencePenalty  = "gen_ai.request.presence_penalty"
	keyStopSequences    = "gen_ai.request.stop_sequences"
	keyDimensions       = "gen_ai.embeddings.dimension.count"
	keyServiceTier      = "openai.request.service_tier"
	keyWorkflow         = "gen_ai.workflow.name"
	keyServerAddress    = "server.address"
	keyServerPort       = "server.port"
)

// Attributes of what came back.
const (
	keyResponseID      = "gen_ai.response.id"
	keyResponseModel   = "gen_ai.response.model"
	keyFinishReasons   = "gen_ai.response.finish_reasons"
	keyFirstChunk      = "gen_ai.response.time_to_first_chunk" // seconds
	keyInputTokens     = "gen_ai.usage.input_tokens"
	keyOutputTokens    = "gen_ai.usage.output_tokens"
	keyCacheRead       = "gen_ai.usage.cache_read.input_tokens"
	keyCacheCreation   = "gen_ai.usage.cache_creation.input_tokens"
	keyReasoningTokens = "gen_ai.usage.reasoning.output_tokens"
	keyTokenType       = "gen_ai.token.type"
	keyErrorType       = "error.type"
	keyHTTPStatus      = "http.response.status_code"
)

// Attributes of remote calls.
const (
	keyRPCSystem = "rpc.system.name"
	keyRPCMethod = "rpc.method"
)

// rpcSystem is what we are among the systems of remote calls; the conventions have no name for us.
const rpcSystem = "dovetail"

// Attributes and events of our own, for which there are no conventions.
const (
	eventPrefix   = "dovetail."
	keyOp         = "dovetail.op"
	keyTarget     = "dovetail.target"
	keyFrom       = "dovetail.from"
	keyTo         = "dovetail.to"
	keyAttempt    = "dovetail.attempt"
	keyAttempts   = "dovetail.attempts"
	keyDelay      = "dovetail.delay"   // seconds
	keyElapsed    = "dovetail.elapsed" // seconds
	keyLowerBound = "dovetail.usage.lower_bound"
)

// Operations. Those without a convention have names in the same manner.
const (
	opChat       = "chat"
	opEmbed      = "embeddings"
	opWorkflow   = "invoke_workflow"
	opImage      = "generate_image"
	opSpeech     = "generate_speech"
	opTranscribe = "transcribe"
	opModerate   = "moderate"
	opRerank     = "rerank"
)

// Instruments.
const (
	nameDuration   = "gen_ai.client.operation.duration"
	nameTokens     = "gen_ai.client.token.usage"
	nameFirstChunk = "gen_ai.client.operation.time_to_first_chunk"
	namePerChunk   = "gen_ai.client.operation.time_per_output_chunk"
	nameRPCClient  = "rpc.client.call.duration"
	nameRPCServer  = "rpc.server.call.duration"
)

// Instruments of our own for both sides of calls, for which there are no conventions; behind dovetail.client. or dovetail.server.
const (
	nameActive     = "active_calls"
	nameFirstPiece = "time_to_first_piece"
	namePieces     = "pieces"
)

// Boundaries of the histograms. Without them SDKs use some that end at 10 seconds or 10 000 tokens.
var (
	secondsBoundaries = []float64{.01, .02, .04, .08, .16, .32, .64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92}
	tokenBoundaries   = []float64{1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864}
	// Those of the conventions end at 10 seconds, which suits remote calls in general, but not models.
	pieceBoundaries = []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192}

	rpcBoundaries = []float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 25, 50, 100}
)
