// What a C++ compiler's run-time libraries are for: exceptions, containers, streams,
// threads.
#include <atomic>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

static std::string greeting(const std::map<std::string, std::string> &words) {
  try {
    words.at("missing");
  } catch (const std::out_of_range &) {
    return words.at("greeting") + ", " + words.at("who");
  }
  return "no exception";
}

int main() {
  std::atomic<int> sum{0};
  std::vector<std::thread> threads;
  for (int i = 1; i <= 6; i++) threads.emplace_back([&sum, i] { sum += 2 * i; });
  for (auto &thread : threads) thread.join();
  std::cout << greeting({{"greeting", "Hello"}, {"who", "C++"}}) << ": " << sum << std::endl;
}
