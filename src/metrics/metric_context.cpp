// Which metrics a context asks for, what they need, and the protocol that stands beside their values.
#include <algorithm>

#include "base/json.hpp"
#include "metrics/set_metrics.hpp"

namespace ddls::metrics {

std::vector<const Metric*> MetricContext::wanted() const {
  const auto asked = [&](const std::string& name) {
    return std::find(config.metrics.begin(), config.metrics.end(), name) != config.metrics.end();
  };
  std::vector<const Metric*> result;
  for (const Metric& metric : known) {
    const MetricNeeds needs = metric.needs(options_of(metric));
    if ((needs.gaussians25 && !gaussians25) || (needs.probabilities && extractor == nullptr)) continue;
    const bool brought = std::any_of(known.begin(), known.end(), [&](const Metric& other) {
      return asked(other.name) &&
             std::find(other.brings.begin(), other.brings.end(), metric.name) != other.brings.end();
    });
    if (metric.unasked || asked(metric.name) || brought) result.push_back(&metric);
  }
  return result;
}

MetricNeeds MetricContext::needs() const {
  MetricNeeds all;
  for (const Metric* metric : wanted()) {
    const MetricNeeds one = metric->needs(options_of(*metric));
    all.moments |= one.moments;
    all.probabilities |= one.probabilities;
    all.labels |= one.labels;
    all.gaussians25 |= one.gaussians25;
    all.rows = std::max(all.rows, one.rows);
    all.reference_rows = std::max(all.reference_rows, one.reference_rows);
    all.training_rows = std::max(all.training_rows, one.training_rows);
    all.unseen_rows = std::max(all.unseen_rows, one.unseen_rows);
  }
  return all;
}

const config::Options& MetricContext::options_of(const Metric& metric) const {
  const config::MetricConfig* configured = config.find(metric.name);
  return configured ? configured->options : metric.defaults;
}

Json protocol_of(const MetricContext& context, const Json& metrics, int64_t count, const Reference& reference) {
  Json protocol = Json::object();
  if (context.extractor) {
    protocol["quantisation"] = "uint8; generated images as clip(floor(127.5 x + 128), 0, 255)";
    protocol["resize"] = context.extractor->resize.text();
  }
  for (const Metric* metric : context.wanted()) {
    const std::vector<std::string> keys = metric->top_keys();
    const bool computed = std::any_of(keys.begin(), keys.end(), [&](const std::string& key) {
      return metrics.contains(key) && !metrics[key].is_null();
    });
    if (computed && metric->protocol)
      protocol.update(metric->protocol(context.options_of(*metric), metrics, count, reference.set.count));
  }
  return protocol;
}

}  // namespace ddls::metrics
