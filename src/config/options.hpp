#pragma once
// Options that bring their own schema: a plain struct held by value, with how its keys are bound and which combinations
// of values are refused. A configuration can so hold options of parts that it does not know, such as samplers.
#include <any>
#include <concepts>
#include <functional>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "config/schema.hpp"

namespace ddls::config {

class Options {
 public:
  Options() = default;  // of a part that has none

  // The struct's initial values are the defaults. `keys` declares a key per field; `check` may be empty, and names keys
  // as `keys` does.
  template <typename T>
  static Options of(std::function<void(Section&, T&)> keys, std::function<std::vector<Conflict>(const T&)> check = {}) {
    Options options;
    options.initial_ = options.value_ = T{};
    options.bind_ = [keys = std::move(keys)](Section& section, std::any& value) {
      keys(section, std::any_cast<T&>(value));
    };
    if (check)
      options.check_ = [check = std::move(check)](const std::any& value) {
        return check(std::any_cast<const T&>(value));
      };
    return options;
  }

  bool none() const { return !value_.has_value(); }

  // Fields point into this value: they hold until it moves, is assigned to, or goes. A copy is bound anew.
  void bind(Section& section) {
    if (bind_) bind_(section, value_);
  }

  std::vector<Conflict> check() const { return check_ ? check_(value_) : std::vector<Conflict>{}; }

  // Another type than the one given to `of` is a bug: Error(internal).
  template <typename T>
  const T& as() const {
    const T* value = std::any_cast<T>(&value_);
    ensure(value != nullptr, "options of type {} are asked for as {}", value_.type().name(), typeid(T).name());
    return *value;
  }
  template <typename T>
  T& as() {
    return const_cast<T&>(std::as_const(*this).as<T>());
  }

  Options defaults() const {
    Options options = *this;
    options.value_ = initial_;
    return options;
  }

 private:
  std::any value_, initial_;
  std::function<void(Section&, std::any&)> bind_;
  std::function<std::vector<Conflict>(const std::any&)> check_;
};

struct NoOptions {};  // the type of the options of a part that has none

// `f`, which takes options as a T, made a function that takes them as Options.
template <typename T, typename F>
auto with_options_as(F f) {
  return [f = std::move(f)](const Options& options, const auto&... more) {
    if constexpr (std::is_same_v<T, NoOptions>)
      return f(NoOptions{}, more...);
    else
      return f(options.as<T>(), more...);
  };
}

// A value that all configurations share, or that follows from the options.
template <typename T, typename Value>
class ByOptions {
 public:
  ByOptions(Value always) : value_([always = std::move(always)](const T&) { return always; }) {}
  template <std::invocable<const T&> F>
  ByOptions(F of) : value_(std::move(of)) {}
  Value operator()(const T& options) const { return value_(options); }

 private:
  std::function<Value(const T&)> value_;
};

}  // namespace ddls::config
