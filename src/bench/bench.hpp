#pragma once
// `ddls_dist bench KIND`: how fast a part of the program is on this machine, with synthetic data and initial weights,
// so that only the configuration is needed (`data` reads the training set that it names). Results: docs/formats.md,
// section 7.
#include <string>
#include <vector>

#include "base/json.hpp"
#include "bench/bench_options.hpp"
#include "config/config.hpp"
#include "data/dataset.hpp"
#include "dist/communicator.hpp"

namespace ddls::bench {

// **Collective.** `kind`: training, sampler, evaluation, data or collectives.
Json run_bench(const std::string& kind, config::Config config, const BenchOptions& options, dist::Communicator& comm);
// A result for a person: one line per number or word, lists of objects as tables.
std::string bench_text(const Json& result);

// One file per kind. **Collective**; the result is the same on every rank, but for a profile, which is the rank's own.
Json bench_training(const config::Config& config, const BenchOptions& options, dist::Communicator& comm);
Json bench_sampler(const config::Config& config, const BenchOptions& options, dist::Communicator& comm);
Json bench_evaluation(const config::Config& config, const BenchOptions& options, dist::Communicator& comm);
Json bench_data(const config::Config& config, const BenchOptions& options, dist::Communicator& comm);
Json bench_collectives(const BenchOptions& options, dist::Communicator& comm);

// Median, least and greatest of a figure over the rounds.
Json spread_of(std::vector<double> values);
// Seconds that `work` takes from the moment all ranks are ready until all are done, their devices too. **Collective.**
double seconds_together(dist::Communicator& comm, const std::function<void()>& work);
// Random samples of the shape that the configuration's networks make.
data::Dataset synthetic_data(const config::Config& config, int64_t count);
// Of this process, the most so far.
double peak_resident_mib();

}  // namespace ddls::bench
