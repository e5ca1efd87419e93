#include "app/evaluate_sets.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <optional>

#include "app/set_metrics.hpp"
#include "base/error.hpp"
#include "base/files.hpp"
#include "dist/failure.hpp"
#include "version.hpp"

namespace ddls {
namespace {

using Json = nlohmann::ordered_json;

std::vector<std::string> wanted_metrics(const std::string& list) {
  std::vector<std::string> words;
  for (size_t at = 0; at <= list.size();) {
    const size_t end = std::min(list.find(',', at), list.size());
    const std::string word = list.substr(at, end - at);
    if (word != "fid" && word != "is") all_fail(Exit::usage, "--metrics: '{}' is not one of fid, is", word);
    words.push_back(word);
    at = end + 1;
  }
  return words;
}

}  // namespace

std::string evaluate_sets(const CommandLine& line, Communicator& comm) {
  const std::vector<std::string> wanted = wanted_metrics(line.metrics);
  Dataset fake, real;
  std::optional<Extractor> extractor;
  comm.together([&] {
    fake = open_set(line.fake);
    real = open_set(line.real);
    if (fake.images() != real.images()) fail(Exit::data, "--fake and --real: one holds images, the other points");
    if (!fake.images()) return;
    if (line.extractor.empty()) fail(Exit::usage, "evaluate: images need --extractor E.pt");
    extractor = load_extractor(line.extractor, fake.shape(), comm.topology().device);
  });
  const MetricContext context{comm, extractor ? &*extractor : nullptr};
  const SetStatistics reference = statistics_of(context, real.rows(0, real.size()), real.name);
  Json metrics = metrics_of(context, fake.rows(0, fake.size()), reference, fake.name);
  const auto drop_unless = [&](const char* word, const char* key) {
    if (std::find(wanted.begin(), wanted.end(), word) == wanted.end()) metrics.erase(key);
  };
  drop_unless("fid", "frechet_distance");
  drop_unless("is", "inception_score");

  Json result{{"schema", 1},
              {"version", version::project},
              {"git_commit", version::git_commit},
              {"ranks", comm.ranks()},
              {"fake", {{"name", fake.name}, {"count", fake.size()}}},
              {"reference", {{"name", real.name}, {"count", real.size()}}}};
  if (extractor) result["extractor"] = {{"name", extractor->name}, {"sha256", extractor->sha256}};
  result["metrics"] = metrics;
  const std::string text = result.dump(2) + "\n";
  comm.on_root([&] {
    if (!line.json.empty()) write_file(line.json, text);
    return std::string();
  });
  return text;
}

}  // namespace ddls
